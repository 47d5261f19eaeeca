import { judgedByTorch } from './judge.ts';

judgedByTorch('convolution');
