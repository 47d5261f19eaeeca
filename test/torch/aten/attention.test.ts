import { judgedByTorch } from './judge.ts';

judgedByTorch('attention');
