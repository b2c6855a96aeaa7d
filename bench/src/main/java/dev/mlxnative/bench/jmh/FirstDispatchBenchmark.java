package dev.mlxnative.bench.jmh;

import dev.mlxnative.DType;
import dev.mlxnative.MlxBuffer;
import dev.mlxnative.MlxCommandBuffer;
import dev.mlxnative.MlxCommandQueue;
import dev.mlxnative.MlxDevice;
import dev.mlxnative.MlxKernel;
import dev.mlxnative.MlxLibrary;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/**
 * How long does a program wait for the first result of a small kernel?
 *
 * <pre>mvn -q -B test-compile exec:exec@jmh -Djmh.args="FirstDispatchBenchmark"</pre>
 *
 * <p>The figure is the time from source text to the end of the first command buffer, in a JVM that has compiled another
 * kernel before: classes are loaded, and the library's folder for the compiler exists.
 */
@State(Scope.Thread)
@BenchmarkMode(Mode.SingleShotTime)
@OutputTimeUnit(TimeUnit.MILLISECONDS)
@Warmup(iterations = 0)
@Measurement(iterations = 1)
public class FirstDispatchBenchmark extends Defaults {

    private static final int FORKS = 9;
    private static final long FLOATS = 1024;

    private static final String OTHER_SOURCE =
            "kernel void other(device float *x [[buffer(0)]], uint i [[thread_position_in_grid]]) { x[i] = 1; }";

    private MlxDevice device;
    private MlxCommandQueue queue;
    private MlxBuffer buffer;

    @Setup
    public void open() throws InterruptedException {
        device = MlxDevice.open();
        queue = device.newCommandQueue();
        buffer = device.allocBuffer(DType.F32, FLOATS);
        try (MlxLibrary library = device.compile(OTHER_SOURCE);
                MlxKernel kernel = library.kernel("other")) {
            MlxCommandBuffer commands = queue.newCommandBuffer();
            commands.kernel(kernel).buffer(0, buffer).dispatchThreads(FLOATS);
            commands.commit();
            commands.await();
        }
    }

    @TearDown
    public void close() {
        buffer.close();
        queue.close();
        device.close();
    }

    /** Without a cache on disk. */
    @Benchmark
    @Fork(FORKS)
    public void compile() throws InterruptedException {
        run();
    }

    /** With a cache on disk that has the kernel: the first JVM, which fills the cache, is not measured. */
    @Benchmark
    @Fork(value = FORKS, warmups = 1, jvmArgsAppend = "-Dmlx.kernelCache=target/kernel-cache")
    public void loadFromDisk() throws InterruptedException {
        run();
    }

    private void run() throws InterruptedException {
        try (MlxLibrary library = device.compile(EncodeBenchmark.SOURCE);
                MlxKernel kernel = library.kernel("scaled_sum")) {
            MlxCommandBuffer commands = queue.newCommandBuffer();
            commands.kernel(kernel)
                    .buffer(0, buffer)
                    .buffer(1, buffer)
                    .buffer(2, buffer)
                    .constant(3, 0.5f)
                    .constant(4, (int) FLOATS)
                    .dispatchThreads(FLOATS);
            commands.commit();
            commands.await();
        }
    }
}
