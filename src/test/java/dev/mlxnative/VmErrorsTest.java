package dev.mlxnative;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Stack overflow and heap exhaustion at every point of every call, each in a JVM of its own: no lock stays held, and no
 * memory is lost.
 */
class VmErrorsTest {
    /**
     * Interpreted code needs the largest frames. Compiled code needs less, but goes on in the interpreter now and then.
     */
    @ParameterizedTest
    @ValueSource(strings = {"-Xint", "-XX:TieredStopAtLevel=1", "-XX:+TieredCompilation"})
    void aCallWithoutRoomOnTheStackLosesNothing(String compilers) throws Exception {
        assertSurvives(ForkedJvm.run(options(compilers), StackExhaustion.class));
    }

    @Test
    void aCallWithoutRoomInTheHeapLosesNothing() throws Exception {
        // The serial collector gives out the heap to its last bytes.
        List<String> options = options("-Xmx16m", "-XX:+UseSerialGC", "-XX:-UseTLAB", "-XX:TieredStopAtLevel=1");
        assertSurvives(ForkedJvm.run(options, HeapExhaustion.class, "64"));
    }

    private static List<String> options(String... more) {
        List<String> options = new ArrayList<>(List.of("--enable-native-access=ALL-UNNAMED"));
        options.addAll(ForkedJvm.sameLibrary());
        options.addAll(List.of(more));
        return options;
    }

    private static void assertSurvives(ForkedJvm jvm) {
        assertThat(jvm.exitStatus()).as(jvm.out() + jvm.err()).isZero();
        assertThat(jvm.err()).isEmpty();
        assertThat(jvm.out().lines().map(Integer::parseInt))
                .as("calls that failed")
                .hasSize(4)
                .allMatch(failed -> failed >= 10);
    }
}
