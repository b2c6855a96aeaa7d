package dev.mlxnative.bench.kernels;

/**
 * What became of a check.
 *
 * @param error by the measure of the tolerance; NaN if the kernel did not run
 * @param reason why the check is not ok; empty if it is
 */
record CheckResult(
        String project,
        String kernel,
        String sizes,
        String measure,
        double error,
        double tolerance,
        Outcome outcome,
        String reason) {

    enum Outcome {
        OK("ok"),
        /** The error is above the tolerance. */
        WRONG("WRONG"),
        /** The kernel did not compile, or its launch failed. */
        FAILED("FAILED"),
        /** No folder has the file. */
        NOT_FOUND("not found");

        private final String label;

        Outcome(String label) {
            this.label = label;
        }

        String label() {
            return label;
        }
    }

    static CheckResult of(KernelCheck check, double error) {
        boolean ok = check.tolerance().allows(error);
        String reason = ok
                ? ""
                : "the error " + error + " is above " + check.tolerance().limit();
        return of(check, error, ok ? Outcome.OK : Outcome.WRONG, reason);
    }

    static CheckResult notRun(KernelCheck check, Outcome outcome, String reason) {
        return of(check, Double.NaN, outcome, reason);
    }

    private static CheckResult of(KernelCheck check, double error, Outcome outcome, String reason) {
        Tolerance tolerance = check.tolerance();
        return new CheckResult(
                check.project(),
                check.kernel(),
                check.sizes(),
                tolerance.measure().label(),
                error,
                tolerance.limit(),
                outcome,
                reason);
    }
}
