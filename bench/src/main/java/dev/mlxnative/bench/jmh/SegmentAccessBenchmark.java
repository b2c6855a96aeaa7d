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
 * Are floats in a pool's buffer as fast to read and write as floats in any other segment, and in an array?
 *
 * <pre>mvn -q -B test-compile exec:exec@jmh -Djmh.args="SegmentAccessBenchmark"</pre>
 *
 * <p>The figures are for one pass over 4,096 floats, which stay in the first cache. {@code sum} is a chain of additions
 * that have to be done in their order. {@code fill} is a loop that the JIT compiler vectorises, whatever it fills.
 * {@code scale}, which reads and writes, is one that JDK 25 vectorises for arrays and for no segment;
 * {@code -jvmArgsAppend -XX:-UseSuperWord} shows what each is without.
 */
@State(Scope.Thread)
public class SegmentAccessBenchmark extends Defaults {

    private static final int FLOATS = 4096;

    /** Keeps the values as large as they are: a product that fades into denormal numbers would take ever longer. */
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
