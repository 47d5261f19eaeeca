import { judgedByTorch } from './judge.ts';

judgedByTorch('norms');
