import { judgedByTorch } from './judge.ts';

judgedByTorch('views');
