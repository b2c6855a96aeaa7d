package dev.mlxnative.bench.jmh;

import io.netty.util.concurrent.DefaultThreadFactory;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;

/**
 * Netty's own threads, on which alone its allocators have all of their caches. Inference code runs on threads of other
 * kinds, so a benchmark runs on these where its name says so.
 */
public class NettyThreads extends ThreadPoolExecutor {

    static final String EXECUTOR = "-Djmh.executor=CUSTOM";

    static final String EXECUTOR_CLASS = "-Djmh.executor.class=dev.mlxnative.bench.jmh.NettyThreads";

    /** With the parameters that JMH passes. */
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
