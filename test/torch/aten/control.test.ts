import { judgedByTorch } from './judge.ts';

judgedByTorch('control');
