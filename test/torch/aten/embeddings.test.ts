import { judgedByTorch } from './judge.ts';

judgedByTorch('embeddings');
