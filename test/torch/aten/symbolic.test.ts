import { judgedByTorch } from './judge.ts';

judgedByTorch('symbolic');
