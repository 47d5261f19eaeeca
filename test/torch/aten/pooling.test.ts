import { judgedByTorch } from './judge.ts';

judgedByTorch('pooling');
