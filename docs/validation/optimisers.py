#!/usr/bin/env python3
"""Restarts in blocks and racing beside Optuna and random search, on landscapes whose truth is known.

  python3 -m venv /tmp/v && /tmp/v/bin/pip install optuna scipy numpy matplotlib
  /tmp/v/bin/python docs/validation/optimisers.py target/release/gridrun [--landscapes 100] [--plot FILE.svg]

Each landscape has 8 to 48 configurations on three or four axes, one of which does nothing; 20 to
70 % of them die; starts of one configuration differ by 1 to 10 % (lognormal); a start and its
measurement take 60 to 180 s by configuration, a death a third of it. Every method sees the same
starts: the n-th start of a configuration gives the same number to all. Regret is by how much the
configuration that a method picks is truly slower than the truly best; cost is in sweeps, the
engine-seconds of starting every configuration once.

gridrun is run as a user runs it: `gridrun replay TABLE`.
"""

import argparse, csv, itertools, json, math, pathlib, random, statistics, subprocess, tempfile, warnings

import numpy
import optuna

optuna.logging.set_verbosity(optuna.logging.ERROR)
warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
STARTS = 12  # recorded per configuration; more is wrapped around
PER_TRIAL = 5  # starts that a trial of Optuna may take


class Landscape:
    def __init__(self, seed):
        dice = self.dice = random.Random(seed)
        while True:
            sizes = [dice.randint(2, 4) for _ in range(dice.randint(2, 3))] + [2]
            if 8 <= math.prod(sizes) <= 48:
                break
        effects = [[0.15 * dice.gauss(0, 1) for _ in range(n)] for n in sizes[:-1]]
        dead, self.sd = dice.uniform(0.2, 0.7), dice.uniform(0.01, 0.10)
        self.axes = {f"x{axis}": list(range(n)) for axis, n in enumerate(sizes)}
        self.truth, self.seconds, self.starts = {}, {}, {}
        quirks = {}
        for at in itertools.product(*self.axes.values()):
            quirk = quirks.setdefault(at[:-1], 0.03 * dice.gauss(0, 1))
            y = sum(effect[i] for effect, i in zip(effects, at)) + quirk
            self.seconds[at] = dice.uniform(60, 180)
            self.truth[at] = None if dice.random() < dead else y
            self.starts[at] = [math.exp(y + self.sd * dice.gauss(0, 1)) for _ in range(STARTS)]
        self.alive = [at for at, y in self.truth.items() if y is not None]
        if self.alive:
            self.best = min(self.truth[at] for at in self.alive)
        self.sweep = sum(self.cost(at) for at in self.truth)

    def cost(self, at):
        return self.seconds[at] if self.truth[at] is not None else self.seconds[at] / 3

    def start(self, at, number):
        """What the start gives; None where the engine dies."""
        return None if self.truth[at] is None else self.starts[at][number % STARTS]

    def regret(self, at):
        return math.exp(self.truth[at] - self.best) - 1

    def table(self, path):
        with open(path, "w", newline="") as file:
            out = csv.writer(file)
            axes = [f"axis.{name}" for name in self.axes]
            out.writerow(["cell", "attempt", "startup_s", "measure_s", "outcome", *axes, "metric.ms"])
            for at in self.truth:
                name = "-".join(map(str, at))
                if self.truth[at] is None:
                    out.writerow([name, 1, self.cost(at), "", "gpu_oom_startup", *at, ""])
                else:
                    half = self.cost(at) / 2
                    for number, value in enumerate(self.starts[at]):
                        out.writerow([name, number + 1, half, half, "measured", *at, value])


def gridrun(program, table, strategy, repeats, seed):
    command = [program, "replay", table, "--objective", "ms:min", "--strategy", strategy]
    command += ["--repeats", str(repeats), "--seed", str(seed), "--format", "json"]
    told = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    pick = told["champion"] or told["leader"]
    return tuple(map(int, pick.split("-"))), told["engine_seconds"], told["champion"] is not None


def random_search(landscape, seed):
    """Configurations in random order, each once; picks the best that was seen."""
    order = list(landscape.truth)
    random.Random(seed).shuffle(order)
    spent, seen, curve = 0.0, {}, []
    for at in order:
        spent += landscape.cost(at)
        value = landscape.start(at, 0)
        if value is not None:
            seen[at] = value
        if seen:
            curve.append((spent, min(seen, key=seen.get)))
    return curve


def with_optuna(landscape, sampler, budget):
    """A trial is a configuration, its steps are restarts; the Wilcoxon pruner ends it early where
    it is worse than the best trial at the same restarts."""
    pruner = optuna.pruners.WilcoxonPruner(p_threshold=0.1)
    study = optuna.create_study(sampler=sampler, pruner=pruner, direction="minimize")
    spent, curve, used = 0.0, [], {}

    def objective(trial):
        nonlocal spent
        at = tuple(trial.suggest_categorical(name, values) for name, values in landscape.axes.items())
        values = []
        for step in range(PER_TRIAL):
            number = used.get(at, 0)
            used[at] = number + 1
            spent += landscape.cost(at)
            value = landscape.start(at, number)
            if value is None:
                raise optuna.TrialPruned  # which TPE takes for worse than all that ended
            values.append(value)
            trial.report(value, step)
            if trial.should_prune():
                # What Optuna's documentation recommends: the mean so far, not a pruned trial.
                return statistics.fmean(values)
        return statistics.fmean(values)

    def look(study, trial):
        if any(t.state == optuna.trial.TrialState.COMPLETE for t in study.trials[-1:]) or curve:
            best = study.best_trial.params
            curve.append((spent, tuple(best[name] for name in landscape.axes)))
        if spent >= budget:
            study.stop()

    study.optimize(objective, n_trials=2000, callbacks=[look])
    return curve


def at_budget(landscape, curve, budget):
    """The regret of what the method would pick with this budget; None before its first pick."""
    picks = [at for spent, at in curve if spent <= budget]
    return landscape.regret(picks[-1]) if picks else None


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--landscapes", type=int, default=100)
    parser.add_argument("--plot")
    args = parser.parse_args()
    budgets = [0.25, 0.5, 0.75, 1, 1.5, 2, 3, 4, 5, 6]
    methods = {
        "random search, one start each": lambda l, s: random_search(l, s),
        "Optuna TPE + Wilcoxon": lambda l, s: with_optuna(
            l, optuna.samplers.TPESampler(seed=s), budgets[-1] * l.sweep
        ),
        "Optuna brute force + Wilcoxon": lambda l, s: with_optuna(
            l, optuna.samplers.BruteForceSampler(seed=s), budgets[-1] * l.sweep
        ),
    }
    ours = [("exhaustive", r) for r in (1, 2, 3, 5, 8)] + [("race", r) for r in (3, 5, 8)]
    regrets = {name: {budget: [] for budget in budgets} for name in methods}
    points = {key: [] for key in ours}
    for seed in range(args.landscapes):
        landscape = Landscape(seed)
        if len(landscape.alive) < 2:
            continue
        for name, method in methods.items():
            curve = method(landscape, seed)
            for budget in budgets:
                regret = at_budget(landscape, curve, budget * landscape.sweep)
                if regret is not None:
                    regrets[name][budget].append(regret)
        with tempfile.TemporaryDirectory() as folder:
            table = str(pathlib.Path(folder) / "table.csv")
            landscape.table(table)
            for strategy, repeats in ours:
                pick, seconds, is_champion = gridrun(args.program, table, strategy, repeats, seed)
                points[strategy, repeats].append(
                    (seconds / landscape.sweep, landscape.regret(pick), is_champion)
                )

    def shares(values):
        within = 100 * sum(value <= 0.02 for value in values) / len(values)
        return f"{100 * statistics.fmean(values):.2f} %", f"{100 * numpy.quantile(values, 0.95):.1f} %", f"{within:.0f} %"

    print("| method | engine-seconds, in sweeps | mean regret | 95th percentile | within 2 % of the best |")
    print("| --- | --: | --: | --: | --: |")
    for (strategy, repeats), runs in points.items():
        mean, worst, within = shares([regret for _, regret, _ in runs])
        cost = statistics.fmean(cost for cost, _, _ in runs)
        print(f"| gridrun, {strategy}, {repeats} blocks | {cost:.2f} | {mean} | {worst} | {within} |")
    for name, by_budget in regrets.items():
        for budget in (0.5, 1, 2, 3, 5):
            mean, worst, within = shares(by_budget[budget])
            print(f"| {name} | {budget:.2f} | {mean} | {worst} | {within} |")
    named = [champion for runs in points.values() for *_, champion in runs]
    print(f"\n{len(points[ours[0]])} landscapes; a champion was named in {100 * statistics.fmean(named):.0f} % of gridrun's runs")
    if args.plot:
        plot(args.plot, budgets, regrets, points)


def plot(path, budgets, regrets, points):
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "gridrun"
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 4.2))
    for name, by_budget in regrets.items():
        # Only budgets with which the method has a pick in nearly every landscape.
        n = max(map(len, by_budget.values()))
        xs = [budget for budget in budgets if len(by_budget[budget]) >= 0.95 * n]
        axes.plot(xs, [100 * statistics.fmean(by_budget[x]) for x in xs], marker=".", label=name)
    for strategy, mark in (("exhaustive", "s"), ("race", "o")):
        runs = [(r, points[key]) for key in points for s, r in [key] if s == strategy]
        xs = [statistics.fmean(cost for cost, *_ in them) for _, them in runs]
        ys = [100 * statistics.fmean(regret for _, regret, _ in them) for _, them in runs]
        axes.plot(xs, ys, marker=mark, linewidth=2, label=f"gridrun, {strategy}")
        for (repeats, _), x, y in zip(runs, xs, ys):
            axes.annotate(str(repeats), (x, y), xytext=(3, 5), textcoords="offset points", fontsize=8)
    axes.set_xlabel("engine-seconds, in sweeps (1 = every configuration started once)")
    axes.set_ylabel("mean regret of the pick, %")
    axes.set_yscale("log")
    axes.grid(True, which="both", alpha=0.25)
    axes.legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})


main()
