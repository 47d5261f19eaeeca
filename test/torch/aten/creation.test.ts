import { judgedByTorch } from './judge.ts';

judgedByTorch('creation');
