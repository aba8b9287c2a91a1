/** The variable that every process of a test run has: the run's directory. */
export const runVariable = "MLFLOW_PLATFORM_TEST_RUN";
