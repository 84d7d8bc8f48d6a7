// The Smart Forms renderer by the functions of its own interface: a form is opened, and read as its app saves it.
import {
  BaseRenderer, RendererThemeProvider, buildForm, extractObservationBased, getResponse, removeEmptyAnswersFromResponse,
} from "@aehrc/smart-forms-renderer";
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { createRoot } from "react-dom/client";

const root = createRoot(document.getElementById("form"));
let opened;

window.openForm = async (questionnaire) => {
  opened = questionnaire;
  await buildForm({ questionnaire, terminologyServerUrl: `${location.origin}/terminology` });
  root.render(
    <RendererThemeProvider>
      <QueryClientProvider client={new QueryClient()}><BaseRenderer /></QueryClientProvider>
    </RendererThemeProvider>,
  );
};
window.readForm = () => {
  const response = removeEmptyAnswersFromResponse(opened, getResponse());
  return { response, observations: extractObservationBased(opened, response) };
};
