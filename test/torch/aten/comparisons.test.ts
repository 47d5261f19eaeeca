import { judgedByTorch } from './judge.ts';

judgedByTorch('comparisons');
