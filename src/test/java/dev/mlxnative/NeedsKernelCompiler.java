package dev.mlxnative;

import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;
import org.junit.jupiter.api.extension.ConditionEvaluationResult;
import org.junit.jupiter.api.extension.ExecutionCondition;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.extension.ExtensionContext;

/**
 * Tests that compile kernels. On host memory without clang they are skipped and say why, or fail if
 * {@code MLX_REQUIRE_CLANG} is in the environment.
 */
@Retention(RetentionPolicy.RUNTIME)
@Target({ElementType.TYPE, ElementType.METHOD})
@ExtendWith(NeedsKernelCompiler.Condition.class)
public @interface NeedsKernelCompiler {
    /** Compiles a kernel, once for each JVM. */
    final class Condition implements ExecutionCondition {
        private static final ConditionEvaluationResult RESULT = compile();

        private static ConditionEvaluationResult compile() {
            if (System.getenv("MLX_REQUIRE_CLANG") != null) {
                return ConditionEvaluationResult.enabled("MLX_REQUIRE_CLANG is set");
            }
            try (MlxDevice device = MlxDevice.open();
                    MlxLibrary library = device.compile("kernel void nothing() {}")) {
                return ConditionEvaluationResult.enabled("kernels can be compiled: " + library.kernelNames());
            } catch (MlxException e) {
                return ConditionEvaluationResult.disabled("kernels were not run: " + e.getMessage());
            }
        }

        @Override
        public ConditionEvaluationResult evaluateExecutionCondition(ExtensionContext context) {
            return RESULT;
        }
    }
}
