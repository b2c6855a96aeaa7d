/** GPU memory for Java inference code on Apple silicon. */
module dev.mlxnative {
    requires transitive java.management;
    requires jdk.jfr;
    requires jdk.management;
    requires static com.google.errorprone.annotations;
    requires static org.jspecify;

    exports dev.mlxnative;
}
