import { judgedByTorch } from './judge.ts';

judgedByTorch('arithmetic');
