package dev.mlxnative.bench.kernels;

/**
 * How far results may be from a reference, measured as a project's tests do it.
 *
 * @param scale of {@link Measure#CLOSE}: the quotient of the absolute and the relative tolerance
 */
record Tolerance(Measure measure, double limit, double scale) {

    enum Measure {
        /** The largest absolute difference. */
        ABSOLUTE("abs"),
        /** The largest difference, relative to the reference plus the scale: as NumPy's {@code allclose}. */
        CLOSE("rel"),
        /** The sum of squared differences, relative to that of the reference's squares. */
        NORMALIZED_SQUARES("nmse");

        private final String label;

        Measure(String label) {
            this.label = label;
        }

        String label() {
            return label;
        }
    }

    static Tolerance absolute(double limit) {
        return new Tolerance(Measure.ABSOLUTE, limit, 0);
    }

    static Tolerance exact() {
        return absolute(0);
    }

    static Tolerance close(double relative, double absolute) {
        return new Tolerance(Measure.CLOSE, relative, absolute / relative);
    }

    static Tolerance normalizedSquares(double limit) {
        return new Tolerance(Measure.NORMALIZED_SQUARES, limit, 0);
    }

    /** The error, infinite if a result is not a number or there are more or fewer than expected. */
    double error(double[] results, double[] expected) {
        if (results.length != expected.length) {
            return Double.POSITIVE_INFINITY;
        }
        double largest = 0;
        double squares = 0;
        double expectedSquares = 0;
        for (int i = 0; i < results.length; i++) {
            double difference = Math.abs(results[i] - expected[i]);
            if (Double.isNaN(difference)) {
                return Double.POSITIVE_INFINITY;
            }
            squares += difference * difference;
            expectedSquares += expected[i] * expected[i];
            largest = Math.max(
                    largest, measure == Measure.CLOSE ? difference / (scale + Math.abs(expected[i])) : difference);
        }
        return measure == Measure.NORMALIZED_SQUARES && squares > 0 ? squares / expectedSquares : largest;
    }

    boolean allows(double error) {
        return error <= limit;
    }
}
