// A worker that trains under a host: options from appsettings.json (or any other source, for example --Compression:Small:Loss:Lambda 1e-2), checked when the host starts; what the library reports goes to the host's log.
using HostedTraining;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

var builder = Host.CreateApplicationBuilder(new HostApplicationBuilderSettings { Args = args, ContentRootPath = AppContext.BaseDirectory });
builder.Services.AddNeuralCompression("small").BindConfiguration("Compression:Small");
builder.Services.AddHostedService<EventSourceLogging>();
builder.Services.AddHostedService<TrainingService>();
await builder.Build().RunAsync();
