import { judgedByTorch } from './judge.ts';

judgedByTorch('sorting');
