"""Norms of vectors and matrices, distances, linear algebra, contractions."""
import torch
import torch.nn.functional as F

from judge import T, case, main

f64, f16, i64 = torch.float64, torch.float16, torch.int64
inf = float("inf")
L = torch.linalg

case("einsum forms", lambda a, b: (torch.einsum("bij,bjk->bik", a, b), torch.einsum("bij,bjk", a, b), torch.einsum("...ij,...jk->...ki", a, b)), T(2, 3, 4), T(2, 4, 5))
case("einsum one", lambda a: (torch.einsum("ij->ji", a), torch.einsum("ij->", a), torch.einsum("ii->i", a), torch.einsum("ii", a), torch.einsum("ba", a)), T(3, 3))
case("einsum attention", lambda q, k: torch.einsum("b h i d, b h j d -> b h i j", q, k), T(2, 3, 4, 5), T(2, 3, 6, 5), dynamic={0: (0, 2), 1: (0, 2)}, other=[[T(1, 3, 2, 5), T(1, 3, 7, 5)]])
case("einsum three", lambda a, b, c: torch.einsum("bi,oij,bj->bo", a, b, c), T(2, 3), T(5, 3, 4), T(2, 4))
case("einsum int", lambda a, b: torch.einsum("ij,jk->ik", a, b), T(3, 4, dtype=i64), T(4, 2, dtype=i64))
case("einsum outer dot", lambda a, b: (torch.einsum("i,j->ij", a, b), torch.einsum("i,i->", a, a), torch.einsum("i,i", a, a)), T(3), T(4))
case("einsum capitals", lambda a, b: torch.einsum("aB,Bc", a, b), T(3, 4), T(4, 2))
case("einsum float16", lambda a, b: torch.einsum("ij,jk->ik", a, b), T(3, 4, dtype=f16), T(4, 2, dtype=f16), grad=False)
case("vector norms", lambda x: (x.norm(), x.norm(p=1), x.norm(p=3), x.norm(p=inf, dim=1), x.norm(p=-inf, dim=1), x.norm(p=0.5, dim=(0, 1)), x.norm(dim=1, keepdim=True)), T(3, 4))
case("vector norm 0", lambda x: (x.norm(p=0), x.norm(p=0, dim=1)), torch.tensor([[0.0, 1.0], [2.0, 3.0]]), grad=False)
case("vector norms at 0", lambda x: (x.norm(dim=1), x.norm(p=1, dim=1), x.norm(p=3, dim=1)), torch.zeros(2, 3))
case("norm dtype", lambda x: (torch.norm(x, dtype=f64), torch.norm(x, p=2, dim=1, dtype=f64)), T(3, 4))
case("norm float16", lambda x: torch.norm(x, dim=1), T(3, 4, dtype=f16))
case("linalg norms", lambda x: (L.vector_norm(x), L.vector_norm(x, 3, dim=(0, 1)), L.norm(x), L.norm(x, dim=1), L.norm(x, 1, dim=0), L.norm(x, "fro"), L.norm(x, inf), L.norm(x, -1)), T(3, 4))
case("matrix norms", lambda x: (L.matrix_norm(x), L.matrix_norm(x, 1), L.matrix_norm(x, -inf, keepdim=True), L.matrix_norm(x, inf, dim=(0, 2))), T(2, 3, 4))
case("dist", lambda x, y: (torch.dist(x, y), torch.dist(x, y, 1), torch.dist(x, y, inf)), T(3, 4), T(4))
case("renorm", lambda x: torch.renorm(x, 2, 0, 1.0), T(3, 4))
case("normalize", lambda x: (F.normalize(x), F.normalize(x, p=1, dim=-1), F.normalize(x, dim=0, eps=1.0)), T(3, 4))
case("cosine_similarity", lambda x, y: (F.cosine_similarity(x, y), F.cosine_similarity(x, y, dim=-2), F.cosine_similarity(x[:, :, None], y[:, None], dim=-1)), T(2, 3, 4), T(2, 3, 4))
case("cosine_similarity broadcast", lambda x, y: F.cosine_similarity(x, y, dim=0), T(3, 4), T(1), grad=False)
case("pairwise_distance", lambda x, y: (F.pairwise_distance(x, y), F.pairwise_distance(x, y, p=1, keepdim=True)), T(3, 4), T(3, 4))
case("cdist", lambda x, y: (torch.cdist(x, y), torch.cdist(x, y, p=1), torch.cdist(x, y, p=inf), torch.cdist(x, y, p=3)), T(2, 3, 4), T(2, 5, 4))
case("cdist many", lambda x, y: torch.cdist(x, y), T(30, 4), T(28, 4))
case("cdist dynamic", lambda x, y: torch.cdist(x, y), T(30, 4), T(28, 4), dynamic={0: (0,), 1: (0,)}, other=[[T(7, 4), T(40, 4)]], decompose=False)
case("pdist", lambda x: (F.pdist(x), F.pdist(x, p=1)), T(5, 3))
case("cross", lambda x, y: (L.cross(x, y), L.cross(x, y, dim=0), torch.cross(x, y, dim=1)), T(3, 3, 3), T(3, 3, 3))
case("trace", lambda x, y, z: (torch.trace(x), torch.trace(y), torch.trace(z)), T(3, 3), T(2, 4), T(3, 2, dtype=i64))
case("matrix_power", lambda x: (L.matrix_power(x, 0), L.matrix_power(x, 1), L.matrix_power(x, 5), torch.matrix_power(x, -2)), torch.eye(3) + 0.2 * T(2, 3, 3), decompose=False)
case("det", lambda x: (L.det(x), torch.det(x[0])), T(2, 3, 3))
case("slogdet", lambda x: tuple(L.slogdet(x)) + tuple(torch.slogdet(x)), T(2, 3, 3))
case("logdet", lambda x: torch.logdet(x), torch.eye(3) + 0.1 * T(2, 3, 3))
case("inv", lambda x: (L.inv(x), torch.inverse(x)), torch.eye(4) + 0.2 * T(2, 4, 4), decompose=False)
case("inv 2", lambda x: L.inv(x), torch.eye(2) + 0.2 * T(2, 2), decompose=False)
case("solve", lambda a, b, c: (L.solve(a, b), L.solve(a, c), L.solve(a, b.mT, left=False)), torch.eye(3) + 0.2 * T(2, 3, 3), T(2, 3, 4), T(2, 3), decompose=False)

if __name__ == "__main__":
    main()
