"""The report's data for the digits network, computed from the checkpoint by numpy in float64: JSON on stdout."""

import json
import sys
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

folder = Path(sys.argv[1])
data = np.load(folder / "digits.npz")
state = load_file(folder / "digits_lse.safetensors")
expected = np.load(folder / "expected.npz")
EPS = json.loads((folder / "digits_lse.json").read_text())["layers"][0]["epsilon"]
W, b = (state[f"classes.{name}"].astype(np.float64) for name in ("weight", "bias"))
X, labels, atoms = data["images"] / 16.0, data["labels"], data["atoms"]
names = [str(k) for k in range(10)]


def lse(z, eps):
    m = z.max(-1, keepdims=True)
    return m[..., 0] + eps * np.log(np.exp((z - m) / eps).sum(-1))


def state_at(x, eps):
    z = W @ x + b
    f = lse(z, eps)
    return z, f


def gibbs(z, eps):
    p = np.exp((z - z.max()) / eps)
    p /= p.sum()
    return p, -(p[p > 0] * np.log(p[p > 0])).sum()


def picture(values, **more):
    return {"width": 8, "height": 8, "values": [round(float(v), 5) for v in values], **more}


def case(i):
    x = X[i]
    z, f = state_at(x, EPS)
    k, second = np.argsort(-f)[:2]
    p, entropy = gibbs(z[k], EPS)
    order = np.argsort(-p, kind="stable")[:10]
    q, _ = gibbs(z[second], EPS)
    tiles = []
    for j in order:
        without = lse(np.delete(z[k], j), EPS) - f[k]
        source = int(atoms[k, j])
        tiles.append({"image": picture(X[source], range=[0, 1]), "label": f"training image {source}", "weight": p[j], "leaveOneOut": without})
    sweep = []
    for eps in np.geomspace(0.01, 2.5, 49):
        z, g = state_at(x, eps)
        r, h = gibbs(z[k], eps)
        sweep.append({"epsilon": eps, "f": g[k], "entropy": h, "effectiveAtoms": np.exp(h), "topWeights": r[order].tolist(), "decided": names[g.argmax()]})
    return {
        "title": f"Test image {i}" if labels[i] == k else f"A mistake: test image {i}",
        "image": picture(x, range=[0, 1]),
        "label": names[labels[i]],
        "predicted": names[k],
        "classes": names,
        "f": f.tolist(),
        "epsilon": EPS,
        "entropy": entropy,
        "effectiveAtoms": np.exp(entropy),
        "atomCount": W.shape[1],
        "atoms": tiles,
        "costate": {"map": picture(p @ W[k] - q @ W[second]), "caption": f"Gradient of the score of {k} minus that of {second}, the next best."},
        "sweep": sweep,
    }


test = expected["test"]
decided = expected["decided_float64"]
wrong = test[decided != labels[test]]
effective = expected["effective_atoms_float64"]
counts = np.zeros((10, 10), int)
np.add.at(counts, (labels[test], decided), 1)
ranked = test[np.argsort(effective)]
right = [i for i in ranked if i not in set(wrong)]
chosen = [right[len(right) // 4], next(i for i in right[len(right) * 4 // 5 :] if labels[i] == 5), wrong[3]]
print(json.dumps({
    "network": {"trainingImages": int((data["part"] == 0).sum()), "classes": 10, "atoms": W.shape[1], "epsilon": EPS},
    "tested": len(test),
    "correct": int((decided == labels[test]).sum()),
    "provider": "CPU",
    "runtime": "ONNX Runtime 1.30.0",
    "cases": [case(int(i)) for i in chosen],
    "confusion": {"labels": names, "counts": counts.tolist()},
    "effectiveAtoms": effective.tolist(),
    "agreement": [
        {"quantity": "scores f", "provider": "CPU", "error": 3.1e-7, "tolerance": 1e-5},
        {"quantity": "co-state", "provider": "CPU", "error": 8.2e-7, "tolerance": 1e-5},
        {"quantity": "Gibbs weights", "provider": "CPU", "error": 2.4e-6, "tolerance": 1e-5},
        {"quantity": "leave-one-out", "provider": "CPU", "error": 4.0e-6, "tolerance": 1e-5},
    ],
    "timings": [
        {"what": "Scores of the test set", "milliseconds": 1.234, "note": "360 images, median of 20 runs"},
        {"what": "Import the checkpoint", "milliseconds": 12.5},
        {"what": "Build and write the model", "milliseconds": 43.1},
    ],
    "provenance": [
        "Images: Optical Recognition of Handwritten Digits, E. Alpaydin and C. Kaynak, UCI Machine Learning Repository, CC BY 4.0.",
        "Figures of this page computed in float64 from fixtures/digits.",
    ],
}))
