package dev.mlxnative.bench.kernels;

import dev.mlxnative.DType;
import dev.mlxnative.MlxSize;
import java.util.Arrays;
import java.util.List;
import java.util.function.DoubleUnaryOperator;
import java.util.stream.IntStream;

/** MLX: ranges, unary and binary operations, and copies, as unary.cpp, binary.cpp, copy.cpp and primitives.cpp. */
final class MlxElementwise {

    private static final int SIZE = 1_000;

    /** NumPy's default, which test_ops.py uses for these operations. */
    private static final Tolerance TEST_OPS = Tolerance.close(1e-5, 1e-8);

    private MlxElementwise() {}

    static List<KernelCheck> checks() {
        return List.of(
                arange(),
                unary("Exp", Math::exp, TEST_OPS),
                unary("Tanh", Math::tanh, TEST_OPS),
                unary("Sigmoid", x -> 1 / (1 + Math.exp(-x)), TEST_OPS),
                add(DType.F32),
                add(DType.BF16),
                multiplyRowAndColumn(),
                copy());
    }

    private static KernelCheck arange() {
        double[] expected =
                IntStream.range(0, SIZE).mapToDouble(i -> 0.5 + 0.25 * i).toArray();
        return Mlx.check(
                "arange.metal",
                "arangefloat32",
                "" + SIZE,
                Tolerance.exact(),
                expected,
                arguments -> arguments
                        .constant(0, 0.5f)
                        .constant(1, 0.25f)
                        .output(2, DType.F32, SIZE)
                        .dispatchThreads(MlxSize.of(SIZE), MlxSize.of(Math.min(SIZE, arguments.maxThreads()))));
    }

    private static KernelCheck unary(String operation, DoubleUnaryOperator reference, Tolerance tolerance) {
        double[] x = Numbers.random(DType.F32, SIZE, 1);
        String kernel = "v_" + operation + "float32float32";
        double[] expected = Arrays.stream(x).map(reference).toArray();
        return Mlx.check(
                "unary.metal",
                kernel,
                "" + SIZE,
                tolerance,
                expected,
                arguments -> arguments
                        .input(0, DType.F32, x)
                        .output(1, DType.F32, SIZE)
                        .constant(2, SIZE)
                        .dispatchThreads(MlxSize.of(SIZE), MlxSize.of(Math.min(SIZE, arguments.maxThreads()))));
    }

    private static KernelCheck add(DType type) {
        double[] a = Numbers.random(type, SIZE, 1);
        double[] b = Numbers.random(type, SIZE, 2);
        double[] expected = IntStream.range(0, SIZE)
                .mapToDouble(i -> Numbers.round(type, a[i] + b[i]))
                .toArray();
        String kernel = "vv_Add" + Mlx.name(type);
        return Mlx.check(
                "binary.metal",
                kernel,
                "" + SIZE,
                Tolerance.exact(),
                expected,
                arguments -> arguments
                        .input(0, type, a)
                        .input(1, type, b)
                        .output(2, type, SIZE)
                        .constant(3, SIZE)
                        .dispatchThreads(MlxSize.of(SIZE), MlxSize.of(Math.min(SIZE, arguments.maxThreads()))));
    }

    private static KernelCheck multiplyRowAndColumn() {
        int rows = 37;
        int columns = 45;
        double[] column = Numbers.random(DType.F32, rows, 1);
        double[] row = Numbers.random(DType.F32, columns, 2);
        double[] expected = IntStream.range(0, rows * columns)
                .mapToDouble(i -> (float) (column[i / columns] * row[i % columns]))
                .toArray();
        return Mlx.check(
                "binary.metal",
                "g2_Multiplyfloat32",
                rows + " x " + columns,
                Tolerance.exact(),
                expected,
                arguments -> arguments
                        .input(0, DType.F32, column)
                        .input(1, DType.F32, row)
                        .output(2, DType.F32, rows * columns)
                        .constant(3, new Struct().longs(1, 0))
                        .constant(4, new Struct().longs(0, 1))
                        .dispatchThreads(MlxSize.of(columns, rows), Mlx.blockDims(columns, rows, 1)));
    }

    private static KernelCheck copy() {
        double[] x = Numbers.random(DType.F32, SIZE, 1);
        double[] expected = Arrays.stream(x)
                .map(number -> Numbers.round(DType.BF16, number))
                .toArray();
        String kernel = "v_copyfloat32bfloat16";
        return Mlx.check(
                "copy.metal",
                kernel,
                "" + SIZE,
                Tolerance.exact(),
                expected,
                arguments -> arguments
                        .input(0, DType.F32, x)
                        .output(1, DType.BF16, SIZE)
                        .constant(2, SIZE)
                        .dispatchThreads(MlxSize.of(SIZE), MlxSize.of(Math.min(SIZE, arguments.maxThreads()))));
    }
}
