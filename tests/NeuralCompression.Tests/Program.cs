using NeuralCompression.Tests.Sessions;

// The tests are run by their runner. Started by itself with arguments, this assembly is the other process that a test needs.
return ResumedTraining.Run(args);
