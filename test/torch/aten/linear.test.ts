import { judgedByTorch } from './judge.ts';

judgedByTorch('linear');
