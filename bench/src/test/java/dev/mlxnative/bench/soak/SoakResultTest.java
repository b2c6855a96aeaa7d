package dev.mlxnative.bench.soak;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.reflect.RecordComponent;
import java.util.HashMap;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import tools.jackson.databind.json.JsonMapper;

class SoakResultTest {

    private static final Map<String, Object> SOUND = Map.ofEntries(
            Map.entry("device", "host: h"),
            Map.entry("threads", 4),
            Map.entry("vmErrors", true),
            Map.entry("leakDetection", "off"),
            Map.entry("seconds", 60),
            Map.entry("stackOverflows", 1),
            Map.entry("heapErrors", 1),
            Map.entry("operations", 2_000_000),
            Map.entry("requests", 1_000_000),
            Map.entry("hits", 990_000),
            Map.entry("memoryLimitBytes", 3 << 20),
            Map.entry("peakFootprintBytes", 3 << 20),
            Map.entry("bufferLimit", 10),
            Map.entry("peakBuffers", 10),
            Map.entry("deviceLimitBytes", 4 << 20),
            Map.entry("peakDeviceBytes", 4 << 20),
            Map.entry("heapEarlyBytes", 1000),
            Map.entry("heapEndBytes", 1100),
            Map.entry("residentEarlyBytes", 2000),
            Map.entry("residentEndBytes", 2100),
            Map.entry("growthLimitBytes", 100));

    @Test
    void passesAtItsLimits() {
        assertThat(result("threads", 4).failures()).isEmpty();
    }

    @ParameterizedTest
    @CsvSource({
        "overlaps, 1, overlaps: 1",
        "violations, 2, violations of the figures or limits: 2",
        "lostBudgetBytes, 4096, bytes of the memory limit lost: 4096",
        "lostBudgetBuffers, 1, buffers of the buffer limit lost: 1",
        "lostBytes, -4096, bytes lost: -4096",
        "liveObjects, 1, native objects left: 1",
        "errors, 1, errors: 1",
        "stackOverflows, 0, stack overflows met: none in 60 s",
        "heapErrors, 0, heap errors met: none in 60 s",
        "memoryLimitBytes, 5, 'footprint: 3145728, above 5'",
        "bufferLimit, 9, 'number of buffers: 10, above 9'",
        "deviceLimitBytes, 5, 'memory of the device: 4194304, above 5'",
        "heapEndBytes, 1101, 'growth of the heap: 101, above 100'",
        "residentEndBytes, 2101, 'growth of the process: 101, above 100'",
    })
    void describesEachFailure(String component, long value, String failure) {
        assertThat(result(component, value).failures()).containsExactly(failure);
    }

    @Test
    void mayMeetNoErrorOfTheVmInAShortTimeOrWhenTheyAreOff() {
        assertThat(result(Map.of("heapErrors", 0, "seconds", 59.9)).failures()).isEmpty();
        assertThat(result(Map.of("heapErrors", 0, "vmErrors", false)).failures())
                .isEmpty();
    }

    @Test
    void showsUnits() {
        String table = SoakTable.of(result("threads", 4));

        assertThat(table)
                .containsPattern("\\| operations +\\| +2,000,000 \\|")
                .containsPattern("\\| hit rate +\\| +99\\.00 % \\|")
                .containsPattern("\\| peak footprint +\\| +3\\.0 MiB \\| +3\\.0 MiB \\|");
    }

    private static SoakResult result(String component, long value) {
        return result(Map.of(component, value));
    }

    private static SoakResult result(Map<String, Object> changes) {
        var components = new HashMap<String, Object>();
        for (RecordComponent each : SoakResult.class.getRecordComponents()) {
            components.put(each.getName(), each.getType() == boolean.class ? (Object) false : 0);
        }
        components.putAll(SOUND);
        components.putAll(changes);
        return JsonMapper.shared().convertValue(components, SoakResult.class);
    }
}
