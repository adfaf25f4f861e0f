"""A pipeline of three steps, the second of which breaks once.

python examples/flow.py --broken     # f1 runs, f2 breaks
python examples/flow.py              # starts at f2
sauerkraut flow status checkpoint.pkl
"""

import argparse

from sauerkraut.flow import CheckpointFlow


def loader(state):
    print("loader")
    return {"x": [1, 2, 3]}


def saver(state, data):
    print(f"saver printing data={data}")


def loader3(state):
    print("loader3")
    return {"z": ["A", "B", "C"]}


def saver3(state, data):
    print(f"saver3 printing data={data}")


def pipeline(path, *, broken=False, **options):
    cp = CheckpointFlow(path, **options)

    @cp.add_step(load=loader, save=saver)
    def f1(state, data):
        print(f"f1 printing state: {state}")
        print(f"f1 printing data: {data}")
        state["d"] = "D"

    def f2(state, data):
        if broken:
            raise RuntimeError("This thing broke!")
        print(f"f2 printing state: {state}")
        print(f"f2 printing data: {data}")

    cp.add_step()(f2)

    @cp.add_step(load=loader3, save=saver3)
    def f3(state, data):
        print(f"f3 printing state: {state}")
        print(f"f3 printing data: {data}")
        state["c"] = 4.5

    return cp


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--path", default="checkpoint.pkl")
    parser.add_argument("--broken", action="store_true", help="let f2 break")
    parser.add_argument("--load-policy", default="first only")
    parser.add_argument("--from", dest="step", type=int, help="start at this step")
    chosen = parser.parse_args()
    flow = pipeline(chosen.path, broken=chosen.broken)
    flow.run({"a": "value of A"}, load_policy=chosen.load_policy, checkpoint=chosen.step)
