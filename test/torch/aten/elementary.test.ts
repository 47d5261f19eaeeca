import { judgedByTorch } from './judge.ts';

judgedByTorch('elementary');
