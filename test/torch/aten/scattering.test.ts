import { judgedByTorch } from './judge.ts';

judgedByTorch('scattering');
