package dev.mlxnative.bench.replay;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

class PolicySummaryTest {

    @Test
    void hasTheMedianAndTheWorstOfEachPolicy() {
        List<PolicySummary> summaries = PolicySummary.of(List.of(
                result("compact", 1_100, 1_000, 1),
                result("power-of-two", 5_000, 1_000, 4),
                result("compact", 1_300, 1_000, 3),
                result("compact", 1_120, 1_000, 2)));

        assertThat(summaries).extracting(PolicySummary::policy).containsExactly("compact", "power-of-two");
        PolicySummary compact = summaries.getFirst();
        assertThat(compact.footprint()).isEqualTo(new PolicySummary.Spread(1.12, 1.3));
        assertThat(compact.offline()).isEqualTo(new PolicySummary.Spread(1.05, 1.05));
        assertThat(compact.nativeShare()).isEqualTo(new PolicySummary.Spread(2, 3));
        assertThat(compact.nativeTime()).isEqualTo(new PolicySummary.Spread(4, 6));
        assertThat(cells(PolicySummary.table(summaries)).toList().get(3))
                .isEqualTo("compact | 1.12 / 1.30 | 1.05 / 1.05 | 2.00 % / 3.00 % | 4.000 % / 6.000 %");
    }

    @Test
    void takesTheMeanOfTheTwoInTheMiddle() {
        List<PolicySummary> summaries =
                PolicySummary.of(List.of(result("compact", 1_100, 1_000, 1), result("compact", 1_300, 1_000, 1)));

        assertThat(summaries.getFirst().footprint().median()).isCloseTo(1.2, within(1e-9));
    }

    @Test
    void leavesOutWhatHasNoRequestsOrTimes() {
        List<PolicySummary> summaries = PolicySummary.of(
                List.of(new ReplayResult("a", "host: h", "compact", 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, Gaps.NONE)));

        assertThat(cells(PolicySummary.table(summaries)).toList().get(3)).isEqualTo("compact | - | - | - | -");
    }

    private static ReplayResult result(String policy, long footprint, long live, long natives) {
        return new ReplayResult(
                "a",
                "host: h",
                policy,
                100,
                natives,
                100 - natives,
                live,
                live * 105 / 100,
                footprint,
                20 * natives,
                1_000,
                100,
                1,
                1,
                0,
                0,
                Gaps.NONE);
    }

    private static Stream<String> cells(String table) {
        return table.lines().map(line -> line.replaceAll("^\\| *| *\\|$", "").replaceAll(" +", " "));
    }
}
