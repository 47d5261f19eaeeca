import { judgedByTorch } from './judge.ts';

judgedByTorch('images');
