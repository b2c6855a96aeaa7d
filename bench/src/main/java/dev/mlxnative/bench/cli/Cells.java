package dev.mlxnative.bench.cli;

import com.github.freva.asciitable.Column;
import com.github.freva.asciitable.ColumnData;
import com.github.freva.asciitable.HorizontalAlign;
import dev.mlxnative.MlxDevice;
import java.util.Locale;
import java.util.function.Function;

/** Columns and cells of the tables that the programs print, formatted alike under every locale. */
public final class Cells {

    private Cells() {}

    /** A column of right-aligned numbers. */
    public static <T> ColumnData<T> number(String header, Function<T, String> cell) {
        return new Column()
                .header(header)
                .headerAlign(HorizontalAlign.RIGHT)
                .dataAlign(HorizontalAlign.RIGHT)
                .with(cell);
    }

    /** The backend of a device, and its name. */
    public static String device(MlxDevice device) {
        return device.backend().name().toLowerCase(Locale.ROOT) + ": "
                + device.info().name();
    }

    public static String count(long value) {
        return format("%,d", value);
    }

    public static String mebibytes(long bytes) {
        return format("%,.1f MiB", bytes / 0x1p20);
    }

    /** The formatted quotient, or {@code -} if the divisor is 0. */
    public static String ratio(String pattern, double dividend, double divisor) {
        return divisor == 0 ? "-" : format(pattern, dividend / divisor);
    }

    public static String format(String pattern, Object value) {
        return String.format(Locale.ROOT, pattern, value);
    }
}
