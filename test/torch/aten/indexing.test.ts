import { judgedByTorch } from './judge.ts';

judgedByTorch('indexing');
