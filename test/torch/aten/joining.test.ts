import { judgedByTorch } from './judge.ts';

judgedByTorch('joining');
