import { judgedByTorch } from './judge.ts';

judgedByTorch('complex');
