package dev.mlxnative.bench.jmh;

import io.netty.util.concurrent.DefaultThreadFactory;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;

/**
 * An executor of Netty's own threads, for the benchmarks whose names end with {@code OnItsThreads}.
 *
 * <p>Netty's allocators use all of their caches on these threads only. The other benchmarks run on plain threads, as
 * inference code does.
 */
public class NettyThreads extends ThreadPoolExecutor {

    static final String EXECUTOR = "-Djmh.executor=CUSTOM";

    static final String EXECUTOR_CLASS = "-Djmh.executor.class=dev.mlxnative.bench.jmh.NettyThreads";

    /** Has the parameters that JMH passes to an executor. */
    public NettyThreads(int threads, String prefix) {
        super(
                threads,
                threads,
                0,
                TimeUnit.SECONDS,
                new LinkedBlockingQueue<>(),
                new DefaultThreadFactory(prefix, true));
    }
}
