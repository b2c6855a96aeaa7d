package dev.mlxnative.bench.jmh;

import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Warmup;

/**
 * The JMH settings of every benchmark; options on the command line override them.
 *
 * <p>A benchmark runs long enough for figures that can be published.
 */
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Warmup(iterations = 5, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(
        value = 3,
        jvmArgs = {Defaults.NATIVE_ACCESS, Defaults.BYTE_BUFFER_ACCESS, Defaults.NETTY_UNSAFE, Defaults.NO_LOGGING})
public abstract class Defaults {

    /** JDK 25 prints a warning without this flag; later JDKs will refuse native access. */
    static final String NATIVE_ACCESS = "--enable-native-access=ALL-UNNAMED";

    /** Arrow does not start without this flag. */
    static final String BYTE_BUFFER_ACCESS = "--add-opens=java.base/java.nio=ALL-UNNAMED";

    /**
     * Arrow casts to the buffers that Netty creates with {@code Unsafe}.
     *
     * <p>On newer JDKs Netty creates other buffers unless this flag is set.
     */
    static final String NETTY_UNSAFE = "-Dio.netty.noUnsafe=false";

    /** Arrow logs through SLF4J, which prints a warning among the results if it finds no logging backend. */
    static final String NO_LOGGING = "-Dslf4j.internal.verbosity=ERROR";
}
