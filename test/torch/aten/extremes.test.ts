import { judgedByTorch } from './judge.ts';

judgedByTorch('extremes');
