import { judgedByTorch } from './judge.ts';

judgedByTorch('activations');
