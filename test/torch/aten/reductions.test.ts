import { judgedByTorch } from './judge.ts';

judgedByTorch('reductions');
