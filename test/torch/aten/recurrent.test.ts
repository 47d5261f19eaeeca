import { judgedByTorch } from './judge.ts';

judgedByTorch('recurrent');
