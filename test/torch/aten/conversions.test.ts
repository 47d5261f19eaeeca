import { judgedByTorch } from './judge.ts';

judgedByTorch('conversions');
