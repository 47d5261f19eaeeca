import { judgedByTorch } from './judge.ts';

judgedByTorch('softmax');
