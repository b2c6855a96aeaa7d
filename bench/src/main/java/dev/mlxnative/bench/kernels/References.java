package dev.mlxnative.bench.kernels;

import java.util.Arrays;
import java.util.Comparator;
import java.util.function.DoubleBinaryOperator;
import java.util.stream.IntStream;

/** Plain references, in {@code double}. Matrices are row by row. */
final class References {

    private References() {}

    /** {@code a} of m rows and k columns, times {@code b} of k rows and n columns. */
    static double[] multiply(double[] a, double[] b, int m, int n, int k) {
        double[] product = new double[m * n];
        for (int i = 0; i < m; i++) {
            for (int j = 0; j < n; j++) {
                double sum = 0;
                for (int l = 0; l < k; l++) {
                    sum += a[i * k + l] * b[l * n + j];
                }
                product[i * n + j] = sum;
            }
        }
        return product;
    }

    static double[] transpose(double[] matrix, int rows, int columns) {
        double[] transposed = new double[matrix.length];
        for (int i = 0; i < rows; i++) {
            for (int j = 0; j < columns; j++) {
                transposed[j * rows + i] = matrix[i * columns + j];
            }
        }
        return transposed;
    }

    /** Each row, divided by the root of the mean of its squares, times a weight for each column. */
    static double[] rmsNorm(double[] rows, double[] weights, double epsilon) {
        int columns = weights.length;
        double[] normed = new double[rows.length];
        for (int row = 0; row < rows.length; row += columns) {
            double squares = 0;
            for (int i = 0; i < columns; i++) {
                squares += rows[row + i] * rows[row + i];
            }
            double scale = 1 / Math.sqrt(squares / columns + epsilon);
            for (int i = 0; i < columns; i++) {
                normed[row + i] = rows[row + i] * scale * weights[i];
            }
        }
        return normed;
    }

    /** Each row, with mean 0 and variance 1, times a weight and plus a bias for each column. */
    static double[] layerNorm(double[] rows, double[] weights, double[] biases, double epsilon) {
        int columns = weights.length;
        double[] normed = new double[rows.length];
        for (int row = 0; row < rows.length; row += columns) {
            double mean = Arrays.stream(rows, row, row + columns).average().orElseThrow();
            double variance = 0;
            for (int i = 0; i < columns; i++) {
                variance += (rows[row + i] - mean) * (rows[row + i] - mean) / columns;
            }
            for (int i = 0; i < columns; i++) {
                normed[row + i] = (rows[row + i] - mean) / Math.sqrt(variance + epsilon) * weights[i] + biases[i];
            }
        }
        return normed;
    }

    static double[] softmax(double[] rows, int columns) {
        double[] result = new double[rows.length];
        for (int row = 0; row < rows.length; row += columns) {
            double max = Arrays.stream(rows, row, row + columns).max().orElseThrow();
            double sum = 0;
            for (int i = row; i < row + columns; i++) {
                result[i] = Math.exp(rows[i] - max);
                sum += result[i];
            }
            for (int i = row; i < row + columns; i++) {
                result[i] /= sum;
            }
        }
        return result;
    }

    /** A number for each row, by an operation from left to right. */
    static double[] reduce(double[] rows, int columns, DoubleBinaryOperator operation) {
        double[] result = new double[rows.length / columns];
        for (int row = 0; row < result.length; row++) {
            result[row] = Arrays.stream(rows, row * columns, (row + 1) * columns)
                    .reduce(operation)
                    .orElseThrow();
        }
        return result;
    }

    /** The sums of each row up to and with each column. */
    static double[] cumulativeSums(double[] rows, int columns) {
        double[] sums = rows.clone();
        for (int i = 0; i < sums.length; i++) {
            sums[i] += i % columns == 0 ? 0 : sums[i - 1];
        }
        return sums;
    }

    /** The column of each row's largest number. */
    static double[] argMax(double[] rows, int columns) {
        double[] result = new double[rows.length / columns];
        for (int i = 0; i < rows.length; i++) {
            int row = i / columns;
            if (rows[i] > rows[row * columns + (int) result[row]]) {
                result[row] = i % columns;
            }
        }
        return result;
    }

    /** The columns of each row, in the order of their numbers. */
    static double[] argSort(double[] rows, int columns) {
        return IntStream.range(0, rows.length)
                .boxed()
                .sorted(Comparator.<Integer>comparingInt(i -> i / columns).thenComparingDouble(i -> rows[i]))
                .mapToDouble(i -> i % columns)
                .toArray();
    }

    /**
     * Attention of heads: the softmax of the products of queries and keys, times the values.
     *
     * @param queries [heads, queryCount, size]; keys and values: [heads / sharing, keyCount, size]
     * @param causal whether query i sees the keys up to {@code i + keyCount - queryCount} only
     */
    static double[] attention(
            double[] queries,
            double[] keys,
            double[] values,
            int heads,
            int sharing,
            int queryCount,
            int keyCount,
            int size,
            double scale,
            boolean causal) {
        double[] result = new double[queries.length];
        for (int row = 0; row < heads * queryCount; row++) {
            int keyHead = row / queryCount / sharing * keyCount * size;
            double[] scores = new double[keyCount];
            for (int key = 0; key < keyCount; key++) {
                for (int i = 0; i < size; i++) {
                    scores[key] += scale * queries[row * size + i] * keys[keyHead + key * size + i];
                }
                if (causal && key > row % queryCount + keyCount - queryCount) {
                    scores[key] = Double.NEGATIVE_INFINITY;
                }
            }
            double[] weights = softmax(scores, keyCount);
            for (int i = 0; i < keyCount * size; i++) {
                result[row * size + i % size] += weights[i / size] * values[keyHead + i];
            }
        }
        return result;
    }

    /**
     * Rotates pairs of columns of each row by an angle that grows with the row.
     *
     * @param half the distance of the columns of a pair; 1 for neighbours
     */
    static double[] rope(double[] rows, int columns, int half, int positions, int offset, double base) {
        double[] result = rows.clone();
        int pairs = columns / 2;
        for (int row = 0; row < rows.length / columns; row++) {
            for (int pair = 0; pair < pairs; pair++) {
                double angle = (row % positions + offset) * Math.pow(base, -(double) pair / pairs);
                int first = row * columns + (half == 1 ? 2 * pair : pair);
                double x = rows[first];
                double y = rows[first + half];
                result[first] = x * Math.cos(angle) - y * Math.sin(angle);
                result[first + half] = x * Math.sin(angle) + y * Math.cos(angle);
            }
        }
        return result;
    }
}
