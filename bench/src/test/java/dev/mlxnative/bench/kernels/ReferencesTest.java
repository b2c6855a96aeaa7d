package dev.mlxnative.bench.kernels;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.mlxnative.DType;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.Test;

/** Tests the references, tolerances and conversions with numbers that were computed by hand. */
class ReferencesTest {

    private static final Offset<Double> NEAR = within(1e-12);

    @Test
    void multipliesAndTransposes() {
        double[] product = References.multiply(new double[] {1, 2, 3, 4, 5, 6}, new double[] {1, 2, 3}, 2, 1, 3);

        assertThat(product).containsExactly(14, 32);
        assertThat(References.transpose(new double[] {1, 2, 3, 4, 5, 6}, 2, 3)).containsExactly(1, 4, 2, 5, 3, 6);
    }

    @Test
    void norms() {
        assertThat(References.rmsNorm(new double[] {3, 4}, new double[] {1, 2}, 0.5))
                .containsExactly(new double[] {3 / Math.sqrt(13), 8 / Math.sqrt(13)}, NEAR);
        assertThat(References.layerNorm(new double[] {1, 3}, new double[] {1, 2}, new double[] {0, 5}, 0))
                .containsExactly(new double[] {-1, 7}, NEAR);
        assertThat(References.softmax(new double[] {0, Math.log(3), 1, 1}, 2))
                .containsExactly(new double[] {0.25, 0.75, 0.5, 0.5}, NEAR);
    }

    @Test
    void reducesAndSortsRows() {
        double[] rows = {1, 3, 2, 6, 5, 4};

        assertThat(References.reduce(rows, 3, Double::sum)).containsExactly(6, 15);
        assertThat(References.cumulativeSums(rows, 3)).containsExactly(1, 4, 6, 6, 11, 15);
        assertThat(References.argMax(rows, 3)).containsExactly(1, 0);
        assertThat(References.argSort(rows, 3)).containsExactly(0, 2, 1, 2, 1, 0);
    }

    @Test
    void attends() {
        double[] keys = {0, 0, 0};
        double[] values = {1, 2, 6};

        // Two heads that share the keys; with the causal rule the first query does not see the last key.
        assertThat(References.attention(new double[] {1, 1, 1, 1}, keys, values, 2, 2, 2, 3, 1, 1, true))
                .containsExactly(new double[] {1.5, 3, 1.5, 3}, NEAR);
        double[] sharp = {1000, 0, 0};
        assertThat(References.attention(new double[] {1}, sharp, values, 1, 1, 1, 3, 1, 1, false))
                .containsExactly(new double[] {1}, NEAR);
    }

    @Test
    void rotates() {
        double[] quarter = References.rope(new double[] {1, 0, 0, 0, 1, 0, 0, 0}, 4, 2, 2, 0, 1);

        assertThat(quarter).containsExactly(new double[] {1, 0, 0, 0, Math.cos(1), 0, Math.sin(1), 0}, NEAR);
        assertThat(References.rope(new double[] {0, 1}, 2, 1, 1, 2, 9))
                .containsExactly(new double[] {-Math.sin(2), Math.cos(2)}, NEAR);
    }

    @Test
    void measuresErrors() {
        double[] expected = {1, 3};

        assertThat(Tolerance.absolute(1).error(new double[] {1.5, 3}, expected)).isEqualTo(0.5);
        assertThat(Tolerance.close(0.1, 0.1).error(new double[] {1.5, 3}, expected))
                .isEqualTo(0.25);
        assertThat(Tolerance.normalizedSquares(1).error(new double[] {2, 3}, expected))
                .isEqualTo(0.1, NEAR);
        assertThat(Tolerance.exact().allows(0)).isTrue();
        assertThat(Tolerance.exact().allows(Double.MIN_VALUE)).isFalse();
        assertThat(Tolerance.absolute(1).error(new double[] {1}, expected)).isInfinite();
        assertThat(Tolerance.normalizedSquares(1).error(new double[] {1, Double.NaN}, expected))
                .isInfinite();
    }

    @Test
    void roundsToTheNearestNumberOfAType() {
        assertThat(Numbers.round(DType.F32, 1 + 1e-9)).isEqualTo(1);
        assertThat(Numbers.round(DType.F16, 1.0007)).isEqualTo(1 + 0x1p-10);
        assertThat(Numbers.round(DType.BF16, 1 + 0x1p-8)).isEqualTo(1); // a tie goes to even
        assertThat(Numbers.round(DType.BF16, 1 + 0x1.8p-7)).isEqualTo(1 + 0x1p-6);
    }
}
