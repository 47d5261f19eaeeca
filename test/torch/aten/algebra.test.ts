import { judgedByTorch } from './judge.ts';

judgedByTorch('algebra');
