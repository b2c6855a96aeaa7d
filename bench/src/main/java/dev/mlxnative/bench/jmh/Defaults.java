package dev.mlxnative.bench.jmh;

import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Warmup;

/** How a benchmark runs unless the command line says otherwise: long enough for figures that can be published. */
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Warmup(iterations = 5, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(
        value = 3,
        jvmArgs = {Defaults.NATIVE_ACCESS, Defaults.BYTE_BUFFER_ACCESS, Defaults.NETTY_UNSAFE, Defaults.NO_LOGGING})
public abstract class Defaults {

    /** JVMs warn without the flag, later ones will refuse. */
    static final String NATIVE_ACCESS = "--enable-native-access=ALL-UNNAMED";

    /** Arrow does not start without. */
    static final String BYTE_BUFFER_ACCESS = "--add-opens=java.base/java.nio=ALL-UNNAMED";

    /** Arrow casts to buffers that Netty makes of {@code Unsafe}, which Netty itself does without on newer JDKs. */
    static final String NETTY_UNSAFE = "-Dio.netty.noUnsafe=false";

    /** Arrow logs by SLF4J, which warns into the results when nobody listens. */
    static final String NO_LOGGING = "-Dslf4j.internal.verbosity=ERROR";
}
