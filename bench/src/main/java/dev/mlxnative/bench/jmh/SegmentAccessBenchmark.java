package dev.mlxnative.bench.jmh;

import dev.mlxnative.DType;
import dev.mlxnative.MlxBuffer;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;

/**
 * Is access to floats in a pool's buffer as fast as in any other segment, and as in an array?
 *
 * <pre>mvn -q -B test-compile exec:exec@jmh -Djmh.args="SegmentAccessBenchmark"</pre>
 *
 * <p>The figures are for one pass over 4,096 floats, which fit in the L1 cache.
 *
 * <ul>
 *   <li>{@code sum} is a chain of additions, which the CPU must execute in order.
 *   <li>{@code fill} is a loop that the JIT compiler vectorises for arrays and for segments.
 *   <li>{@code scale} reads and writes. JDK 25 vectorises it for arrays and for no segment.
 * </ul>
 *
 * <p>{@code -jvmArgsAppend -XX:-UseSuperWord} shows each loop without vectorisation.
 */
@State(Scope.Thread)
public class SegmentAccessBenchmark extends Defaults {

    private static final int FLOATS = 4096;

    /** -1, so that the values keep their magnitude: arithmetic on denormal numbers would be slower. */
    private float factor = -1;

    private final float[] array = new float[FLOATS];
    private Arena arena;
    private MemorySegment sharedSegment;
    private MemorySegment autoSegment;
    private MlxBuffer buffer;

    @Setup
    public void allocate(Allocators.Pool pool) {
        arena = Arena.ofShared();
        sharedSegment = arena.allocate(ValueLayout.JAVA_FLOAT, FLOATS);
        autoSegment = Arena.ofAuto().allocate(ValueLayout.JAVA_FLOAT, FLOATS);
        buffer = pool.pool.alloc(DType.F32, FLOATS);
    }

    @TearDown
    public void close() {
        buffer.close();
        arena.close();
    }

    @Benchmark
    public float sumBuffer() {
        return sum(buffer.segment());
    }

    @Benchmark
    public float sumSharedSegment() {
        return sum(sharedSegment);
    }

    @Benchmark
    public float sumAutoSegment() {
        return sum(autoSegment);
    }

    @Benchmark
    public float sumArray() {
        float sum = 0;
        for (int i = 0; i < FLOATS; i++) {
            sum += array[i];
        }
        return sum;
    }

    @Benchmark
    public MemorySegment fillBuffer() {
        return fill(buffer.segment());
    }

    @Benchmark
    public MemorySegment fillSharedSegment() {
        return fill(sharedSegment);
    }

    @Benchmark
    public MemorySegment fillAutoSegment() {
        return fill(autoSegment);
    }

    @Benchmark
    public float[] fillArray() {
        for (int i = 0; i < FLOATS; i++) {
            array[i] = factor;
        }
        return array;
    }

    @Benchmark
    public MemorySegment scaleBuffer() {
        return scale(buffer.segment());
    }

    @Benchmark
    public MemorySegment scaleSharedSegment() {
        return scale(sharedSegment);
    }

    @Benchmark
    public MemorySegment scaleAutoSegment() {
        return scale(autoSegment);
    }

    @Benchmark
    public float[] scaleArray() {
        for (int i = 0; i < FLOATS; i++) {
            array[i] *= factor;
        }
        return array;
    }

    private static float sum(MemorySegment floats) {
        float sum = 0;
        for (int i = 0; i < FLOATS; i++) {
            sum += floats.getAtIndex(ValueLayout.JAVA_FLOAT, i);
        }
        return sum;
    }

    private MemorySegment fill(MemorySegment floats) {
        float value = factor;
        for (int i = 0; i < FLOATS; i++) {
            floats.setAtIndex(ValueLayout.JAVA_FLOAT, i, value);
        }
        return floats;
    }

    private MemorySegment scale(MemorySegment floats) {
        float multiplier = factor;
        for (int i = 0; i < FLOATS; i++) {
            floats.setAtIndex(ValueLayout.JAVA_FLOAT, i, multiplier * floats.getAtIndex(ValueLayout.JAVA_FLOAT, i));
        }
        return floats;
    }
}
