package dev.mlxnative.bench.jmh;

import static org.assertj.core.api.Assertions.assertThat;

import dev.mlxnative.ForkedJvm;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.openjdk.jmh.Main;
import org.openjdk.jmh.annotations.Fork;

class SuiteTest {

    /** Runs all benchmarks in one JVM, which takes seconds. The figures mean nothing. */
    @Test
    void everyBenchmarkRuns() throws Exception {
        List<String> options =
                new ArrayList<>(List.of(Defaults.class.getAnnotation(Fork.class).jvmArgs()));
        // JMH's lock allows one run on a machine. This test must run beside other measurements.
        options.add("-Djmh.ignoreLock=true");

        ForkedJvm run = ForkedJvm.run(options, Main.class, "-foe true -f 0 -wi 0 -i 1 -r 10ms".split(" "));

        assertThat(run.exitStatus()).as(run.out() + run.err()).isZero();
    }
}
