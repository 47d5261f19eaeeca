import { judgedByTorch } from './judge.ts';

judgedByTorch('losses');
