package dev.mlxnative.bench.kernels;

import com.github.freva.asciitable.AsciiTable;
import com.github.freva.asciitable.Column;
import com.github.freva.asciitable.ColumnData;
import com.github.freva.asciitable.HorizontalAlign;
import dev.mlxnative.bench.cli.Cells;
import dev.mlxnative.bench.kernels.CheckResult.Outcome;
import java.util.List;
import java.util.StringJoiner;
import java.util.function.Function;

/** The table of checks, and the counts below it. */
final class CheckTable {

    private static final List<ColumnData<CheckResult>> COLUMNS = List.of(
            text("project", CheckResult::project),
            text("kernel", CheckResult::kernel),
            text("sizes", CheckResult::sizes),
            text("measure", CheckResult::measure),
            Cells.number("largest error", result -> Cells.format("%.1e", result.error())),
            Cells.number("tolerance", result -> Cells.format("%.1e", result.tolerance())),
            text("result", result -> result.outcome().label()));

    private CheckTable() {}

    static String of(List<CheckResult> results) {
        return AsciiTable.getTable(AsciiTable.BASIC_ASCII_NO_DATA_SEPARATORS, results, COLUMNS);
    }

    static String counts(List<CheckResult> results) {
        StringJoiner counts = new StringJoiner(", ");
        counts.add(results.size() + " checks");
        for (Outcome outcome : Outcome.values()) {
            long count = results.stream()
                    .filter(result -> result.outcome() == outcome)
                    .count();
            counts.add(count + " " + outcome.label());
        }
        return counts.toString();
    }

    private static ColumnData<CheckResult> text(String header, Function<CheckResult, String> cell) {
        return new Column().header(header).dataAlign(HorizontalAlign.LEFT).with(cell);
    }
}
