package dev.mlxnative.bench.replay;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.junit.jupiter.api.Test;

class ResultTableTest {

    @Test
    void showsUnitsAndRatios() {
        String table = ResultTable.of(List.of(new ReplayResult(
                "a.csv.gz",
                "host: h",
                "power-of-two",
                40_000,
                50,
                39_950,
                3 << 19,
                7 << 18,
                3 << 20,
                1_000,
                2_000_000,
                4_096,
                3_500.04,
                33.26,
                0,
                0,
                Gaps.NONE)));

        assertThat(cells(table.lines().toList().get(1)))
                .containsExactly(
                        "trace",
                        "policy",
                        "requests",
                        "native",
                        "hit rate",
                        "native time",
                        "peak live",
                        "peak footprint",
                        "footprint/live",
                        "offline/live",
                        "ns straight",
                        "ns pooled",
                        "ratio");
        assertThat(cells(table.lines().toList().get(3)))
                .containsExactly(
                        "a.csv.gz",
                        "power-of-two",
                        "40,000",
                        "50",
                        "99.88 %",
                        "0.050 %",
                        "1.5 MiB",
                        "3.0 MiB",
                        "2.00",
                        "1.17",
                        "3,500.0",
                        "33.3",
                        "105.2x");
    }

    @Test
    void hasNoRatiosForATraceWithoutRequests() {
        String table = ResultTable.of(List.of(new ReplayResult(
                "a.csv.gz", "host: h", "power-of-two", 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, Gaps.NONE)));

        assertThat(cells(table.lines().toList().get(3)))
                .containsExactly(
                        "a.csv.gz",
                        "power-of-two",
                        "0",
                        "0",
                        "-",
                        "-",
                        "0.0 MiB",
                        "0.0 MiB",
                        "-",
                        "-",
                        "0.0",
                        "0.0",
                        "-");
    }

    private static String[] cells(String line) {
        return line.substring(1, line.length() - 1).strip().split("\\s*\\|\\s*");
    }
}
