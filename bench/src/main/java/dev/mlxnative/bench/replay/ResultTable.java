package dev.mlxnative.bench.replay;

import com.github.freva.asciitable.AsciiTable;
import com.github.freva.asciitable.Column;
import com.github.freva.asciitable.ColumnData;
import com.github.freva.asciitable.HorizontalAlign;
import java.util.List;
import java.util.Locale;
import java.util.function.Function;

/** Results as a table for people; the units and the rounding are theirs, the JSON has the numbers. */
final class ResultTable {

    private static final List<ColumnData<ReplayResult>> COLUMNS = List.of(
            new Column().header("trace").dataAlign(HorizontalAlign.LEFT).with(ReplayResult::trace),
            number("requests", result -> count(result.requests())),
            number("native", result -> count(result.nativeAllocations())),
            number("hit rate", result -> ratio("%.2f %%", 100.0 * result.hits(), result.requests())),
            number("peak live", result -> mebibytes(result.peakLiveBytes())),
            number("peak footprint", result -> mebibytes(result.peakFootprintBytes())),
            number("footprint/live", result -> ratio("%.2f", result.peakFootprintBytes(), result.peakLiveBytes())),
            number("ns straight", result -> format("%,.1f", result.directNanosPerRequest())),
            number("ns pooled", result -> format("%,.1f", result.pooledNanosPerRequest())),
            number("ratio", result -> ratio("%.1fx", result.directNanosPerRequest(), result.pooledNanosPerRequest())));

    private ResultTable() {}

    static String of(List<ReplayResult> results) {
        return AsciiTable.getTable(AsciiTable.BASIC_ASCII_NO_DATA_SEPARATORS, results, COLUMNS);
    }

    private static ColumnData<ReplayResult> number(String header, Function<ReplayResult, String> cell) {
        return new Column()
                .header(header)
                .headerAlign(HorizontalAlign.RIGHT)
                .dataAlign(HorizontalAlign.RIGHT)
                .with(cell);
    }

    private static String count(long value) {
        return String.format(Locale.ROOT, "%,d", value);
    }

    private static String mebibytes(long bytes) {
        return format("%,.1f MiB", bytes / 0x1p20);
    }

    /** A trace without requests has no ratios. */
    private static String ratio(String pattern, double dividend, double divisor) {
        return divisor == 0 ? "-" : format(pattern, dividend / divisor);
    }

    private static String format(String pattern, double value) {
        return String.format(Locale.ROOT, pattern, value);
    }
}
